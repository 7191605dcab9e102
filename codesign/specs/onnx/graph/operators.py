"""What is known of each operator: what it does to the tensors that are stored.

An operator that is in none of these groups is unknown. Operators of other domains have theirs
before the name, as in ``com.microsoft.QGemm``.
"""

from __future__ import annotations

from codesign.errors import SpecError
from codesign.specs.onnx.graph import qonnx
from codesign.specs.onnx.graph.graph import Graph, Node

MS = "com.microsoft."
OWN_DOMAIN = "codesign"  # of what rules of `spelling` write that ONNX has no operator for
OWN = f"{OWN_DOMAIN}."
SAMPLES = OWN + "Samples"  # of an image, at places that are data


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Computed element by element from all operands: on the way out of the layer before, or in.
ELEMENTWISE = _words(
    """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish InstanceNormalization IsInf IsNaN
    LayerNormalization LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow
    RMSNormalization Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt
    Sub Sum SwiGLU Swish Tan Tanh ThresholdedRelu Where Xor
    DequantizeLinear DynamicQuantizeLinear QuantizeLinear RotaryEmbedding
    """
) | {
    MS + name
    for name in (
        *("BiasAdd", "BiasGelu", "DequantizeLinear", "FastGelu", "Gelu", "QLinearAdd"),
        *("QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearWhere", "QuantizeLinear"),
        *("BiasDropout", "BiasSoftmax", "GroupNorm", "QuickGelu", "RotaryEmbedding"),
    )
}
# The same elements in another order, shape, format or scale; inputs after the first do not count.
FIRST = (
    _words(
        """
    BitCast Cast CastLike CumProd CumSum DepthToSpace Dropout Flatten Hardmax Identity LRN
    LogSoftmax LpNormalization MeanVarianceNormalization Reshape ReverseSequence Softmax
    SpaceToDepth Squeeze Transpose Trilu Unsqueeze
    """
    )
    | {MS + "QLinearSoftmax", MS + "Trilu"}
    | qonnx.OPERATORS
)
REDUCTIONS = _words(
    """
    ArgMax ArgMin GlobalAveragePool GlobalLpPool GlobalMaxPool ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    """
) | {MS + "QLinearGlobalAveragePool", MS + "QLinearReduceMean"}
POOLINGS = _words("AveragePool LpPool MaxPool") | {MS + "QLinearAveragePool"}
SLICES = _words("Gather Slice Split")
CONCATS = frozenset({"Concat", MS + "QLinearConcat"})
MOVEMENTS = _words(
    """
    AffineGrid CenterCropPad Col2Im Expand GatherElements GatherND GridSample MaxRoiPool MaxUnpool
    OneHot Pad Resize RoiAlign Scatter ScatterElements ScatterND Tile TopK Upsample
    """
) | {SAMPLES}
PAIRS = _words("MaxPool TopK")  # values, and the indices of where they were
CONVOLUTIONS = _words("Conv ConvInteger QLinearConv") | {MS + "FusedConv"}
TRANSPOSED = frozenset({"ConvTranspose"})
GEMMS = frozenset({"Gemm", MS + "FusedGemm", MS + "QGemm"})
MATMULS = _words("MatMul MatMulInteger QLinearMatMul") | {
    MS + name
    for name in (
        *("DynamicQuantizeMatMul", "FusedMatMul", "FusedMatMulActivation", "MatMulIntegerToFloat"),
        "TransposeMatMul",
    )
}
PACKED = frozenset({MS + "MatMulBnb4", MS + "MatMulNBits"})  # by weights of fewer bits than a byte
MACS = CONVOLUTIONS | TRANSPOSED | GEMMS | MATMULS | PACKED | {"Einsum"}

DYNAMIC_LSTM = MS + "DynamicQuantizeLSTM"
RECURRENT = {"LSTM": 4, "GRU": 3, "RNN": 1, DYNAMIC_LSTM: 4}  # products for each state element

# What recurrent operators do around their products.
FIRST_STATE = OWN + "FirstState"  # zeros or a constant, read like an input; or its second operand
CELL = OWN + "Cell"  # gates and state, element by element: on the way out of the product
LAST_STATE = OWN + "LastState"  # a part of all states
LAST_CELL = OWN + "LastCell"  # moved from the chip, in as many elements as the state has
AROUND_STEPS = frozenset({FIRST_STATE, CELL, LAST_STATE, LAST_CELL})

TABLE = OWN + "Table"  # a constant whose rows are looked up
FOURIER_MATRIX = OWN + "FourierMatrix"  # a constant: `codesign.specs.onnx.spelling.fourier.matrix`

KNOWN = (
    ELEMENTWISE | FIRST | REDUCTIONS | POOLINGS | SLICES | CONCATS | MOVEMENTS | MACS | AROUND_STEPS
)

# Where the weights stand among the inputs, if not second.
WEIGHTS_AT = {"QLinearConv": 3, "QLinearMatMul": 3, MS + "QGemm": 3}


def weights_of(node: Node) -> str:
    """The value a multiplying node takes as its second operand."""
    return node.input(WEIGHTS_AT.get(node.operator, 1))


def packed_bits(node: Node) -> int | None:
    """Width of the weights that a multiplying node has packed in bytes; None if it has not."""
    if node.operator not in PACKED:
        return None
    bits = node.attributes.get("bits", 4)
    if bits not in range(1, 9):
        raise SpecError(f"node {node.name!r} ({node.operator}): bits = {bits!r}, not 1 to 8")
    return int(bits)


def is_known(node: Node, graph: Graph) -> bool:
    """Whether the importer knows what an operator does to the tensors."""
    several = len(graph.live_outputs(node)) > 1
    if several and node.operator not in SLICES | ELEMENTWISE | PAIRS:
        return False
    if node.operator == "Einsum":
        return _is_contraction(*einsum_labels(node))
    return node.operator in KNOWN


def einsum_labels(node: Node) -> tuple[str, str, str]:
    """Labels of both operands and of the result of an einsum."""
    terms, _, result = str(node.attributes["equation"]).replace(" ", "").partition("->")
    left, _, right = terms.partition(",")
    return left, right, result


def _is_contraction(left: str, right: str, result: str) -> bool:
    """Whether an einsum multiplies two operands, each label once in each, none summed alone."""
    every = left, right, result
    once = all(len({*text}) == len(text) and all(map(str.isalpha, text)) for text in every)
    return bool(left and right) and once and {*left} ^ {*right} <= {*result} <= {*left, *right}
