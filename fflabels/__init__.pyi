# The public names. Each is imported when it is first used: see __init__.py.
from .assignment import assign as assign
from .candidates import Candidates as Candidates
from .candidates import propose as propose
from .class_codes import class_likeness as class_likeness
from .class_codes import codes_from_likeness as codes_from_likeness
from .comparison import Reach as Reach
from .comparison import compare as compare
from .design import design as design
from .diversity import similarity as similarity
from .errors import FFLabelsError as FFLabelsError
from .images import References as References
from .images import load_references as load_references
from .labeler import Labeler as Labeler
from .labeler import Params as Params
from .labelset import LabelSet as LabelSet
from .labelset import named_set as named_set
from .recipe import Recipe as Recipe
from .registry import get_labeler as get_labeler
from .registry import list_labelers as list_labelers
from .selection import Selection as Selection
from .selection import select as select
from .selection import select_vectors as select_vectors

__version__: str
