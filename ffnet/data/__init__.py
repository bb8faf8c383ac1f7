"""Images in, splits out: data sets, folders of pictures, augmentation.

Labels are drawn elsewhere, after augmentation.
"""
