"""The graphs that every tool gets, where their files lie, and what their stages must write.

layered  ten layers of N/10 stages; stage w of a layer reads two or three outputs of the layer before, all within its own
         block of ten, so one changed leaf reaches at most ten stages of a layer
chain    stage i reads the output of stage i - 1
wide     every stage reads a leaf file of its own

A stage without upstream reads a leaf file. Every stage runs mk (mk.c) on the same inputs in the same order.
"""

PER_FOLDER = 1000  # files in one folder; more would measure the file system
LAYERS = 10
BLOCK = 10
SHAPES = ["layered", "wide", "chain"]
OFFSET_BASIS, PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF  # FNV-1a, as in mk.c


def graph(shape, size):
    """The stages as a list: for each its upstream stages in ascending order, empty for one that reads a leaf."""
    if shape == "wide":
        return [[] for _ in range(size)]
    if shape == "chain":
        return [[stage - 1] if stage else [] for stage in range(size)]
    if shape != "layered":
        raise SystemExit(f"no shape `{shape}`")
    if size % (LAYERS * BLOCK):
        raise SystemExit(f"a layered graph needs a multiple of {LAYERS * BLOCK} stages, not {size}")
    width = size // LAYERS
    stages = [[] for _ in range(width)]
    for layer in range(1, LAYERS):
        below = (layer - 1) * width
        for place in range(width):
            block, offset = place - place % BLOCK, place % BLOCK
            reads = {offset, (offset + 1) % BLOCK}
            if offset % 2:
                reads.add((offset + 3) % BLOCK)
            stages.append([below + block + near for near in sorted(reads)])
    return stages


def ends(stages):
    """The stages that no other one reads."""
    inner = {up for ups in stages for up in ups}
    return [stage for stage in range(len(stages)) if stage not in inner]


def leaf(stage):
    return f"in/{stage // PER_FOLDER}/{stage}.txt"


def target(stage):
    return f"made/{stage // PER_FOLDER}/{stage}"


def leaf_text(stage):
    return f"leaf {stage}\n"


def expected(stages, first=None):
    """What every stage must write: mk, computed here. `first` is the new content of the first leaf, if it was changed."""
    made = []
    for stage, ups in enumerate(stages):
        value = OFFSET_BASIS
        texts = [made[up] for up in ups] or [(first if stage == 0 and first else leaf_text(stage)).encode()]
        for text in texts:
            for byte in text:
                value = (value ^ byte) * PRIME & MASK
        made.append(b"%016x\n" % value)
    return made
