"""What a `.tflite` file stores, as its readers see it."""

from ai_edge_litert import schema_py_generated as schema

__all__ = ["stored_tensors"]


def stored_tensors(
    file: bytes, shape: tuple[int, ...], dtype: str
) -> list[tuple[int, str]]:
    """Number of the buffer, and name, of each tensor of that shape and type."""
    number = getattr(schema.TensorType, dtype.upper())
    content = schema.Model.GetRootAs(file)
    found = []
    for place in range(content.SubgraphsLength()):
        graph = content.Subgraphs(place)
        for i in range(graph.TensorsLength()):
            tensor = graph.Tensors(i)
            if tensor.Type() == number and tuple(tensor.ShapeAsNumpy()) == shape:
                found.append((tensor.Buffer(), tensor.Name().decode()))
    return found
