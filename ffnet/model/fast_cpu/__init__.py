"""Make layers fast on a CPU: convolution by Fourier transforms, sums that fit the caches, reused memory.

The results are the same up to rounding. Only the layers use this package.
"""
