"""Requests and answers of the Open Inference Protocol (v2) as tensors.

REST carries JSON, with raw little-endian tensors behind it where the header
``inference-header-content-length`` says so (the binary tensor extension); gRPC carries messages.
Both become KServe's ``InferRequest`` here, and errors name the tensor that is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import RequestedOutput
from numpy.typing import NDArray

from cardfraud.contracts.scoring import MAX_INSTANCES, TooLarge
from cardfraud.errors import InvalidField, InvalidFrame, InvalidInput
from cardfraud_inference.transport.documents import parse_json

JSON_LENGTH: Final = "inference-header-content-length"
_NUMBERS: Final = {"FP32": np.float32, "FP64": np.float64}


def decode_request(body: bytes, json_length: str | None, model_name: str) -> InferRequest:
    """Read a v2 REST body.

    Args:
        body: JSON, and raw tensors behind it if there are any.
        json_length: value of the header that says where the JSON ends; None if it is absent.
        model_name: from the path.

    Raises:
        InvalidInput: the body is not of this form; the message names what is wrong.
    """
    try:
        end = len(body) if json_length is None else int(json_length)
    except ValueError:
        raise InvalidInput(f"{JSON_LENGTH} must be a number") from None
    if not 0 < end <= len(body):
        raise InvalidInput(f"{JSON_LENGTH} must lie in 1 to the length of the body")
    document = parse_json(body[:end])
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise InvalidInput('the body must be {"inputs": [...]}')
    request_id, parameters = document.get("id"), document.get("parameters")
    if not isinstance(request_id, str | None) or not isinstance(parameters, dict | None):
        raise InvalidInput("id must be a string and parameters an object")
    raw = memoryview(body)[end:]
    inputs: list[InferInput] = []
    for tensor in document["inputs"]:
        one, used = _input(tensor, raw)
        inputs.append(one)
        raw = raw[used:]
    if len(raw):
        raise InvalidInput(f"{len(raw)} bytes follow the last tensor")
    return InferRequest(
        model_name=model_name,
        infer_inputs=inputs,
        request_id=request_id,
        parameters=parameters,
        request_outputs=_requested(document.get("outputs")),
    )


def check_names(request: InferRequest, inputs: Collection[str], outputs: Collection[str]) -> None:
    """Refuse tensors that mean nothing here, before anything is scored.

    Raises:
        InvalidFrame: names the tensor.
    """
    names = [one.name for one in request.inputs]
    for name in names:
        if name not in inputs:
            raise InvalidFrame(str(name)[:80], f"unknown input; known are {', '.join(inputs)}")
        if names.count(name) > 1:
            raise InvalidFrame(name, "this input stands twice")
    wanted: set[str] = set()
    for output in request.request_outputs or ():
        if output.name not in outputs:
            reason = f"unknown output; known are {', '.join(outputs)}"
            raise InvalidFrame(str(output.name)[:80], reason)
        if output.name in wanted:  # an answer could otherwise be longer than anybody has memory
            raise InvalidFrame(output.name, "this output is asked for twice")
        wanted.add(output.name)


def numbers(request: InferRequest, name: str, datatype: str, rank: int) -> NDArray[Any]:
    """Return an input of numbers, ``FP32`` or ``FP64``, with as many dimensions as ``rank``.

    Raises:
        InvalidFrame: it is missing or has another datatype, shape or content; names it.
        TooLarge: more rows than a request may have.
    """
    tensor = _find(request, name, datatype, rank)
    if tensor._raw_data is None and not _all_numbers(tensor.data):  # noqa: SLF001 (no accessor)
        raise InvalidFrame(name, "its data must be numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused as that
        array = _array(tensor, name)
    return np.ascontiguousarray(array, dtype=_NUMBERS[datatype])


def texts(request: InferRequest, name: str) -> list[str]:
    """Return an input of texts, ``BYTES`` [N].

    Raises:
        InvalidFrame: it is missing or has another datatype, shape or content; names it.
        InvalidField: one text is not UTF-8.
        TooLarge: more rows than a request may have.
    """
    array = _array(_find(request, name, "BYTES", 1), name)
    result: list[str] = []
    for index, value in enumerate(array.tolist()):
        try:
            text = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            text = None
        if not isinstance(text, str):
            raise InvalidField(name, "must be UTF-8 text", index=index)
        result.append(text)
    return result


def respond(
    request: InferRequest, version: str, request_id: str, outputs: Mapping[str, NDArray[Any]]
) -> InferResponse:
    """Build the answer; strings are object arrays of bytes.

    Args:
        request: decides between JSON and raw tensors, and which outputs there are.
        version: of the model.
        request_id: the answer's id where the request has none.
        outputs: arrays by name.
    """
    tensors: list[InferOutput] = []
    for name, array in outputs.items():
        datatype = "BYTES" if array.dtype == np.object_ else "FP32"
        tensor = InferOutput(name, list(array.shape), datatype, array)
        if request.from_grpc:  # KServe asks for the truth of an array where it should do this
            tensor.set_data_from_numpy(array, binary_data=True)
        tensors.append(tensor)
    return InferResponse(
        response_id=request.id or request_id,
        model_name=request.model_name,
        model_version=version,
        infer_outputs=tensors,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def _input(tensor: object, raw: memoryview) -> tuple[InferInput, int]:
    """One input, and how many of the raw bytes are its own."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise InvalidInput("each input must be an object with a name")
    name, shape, datatype = str(tensor["name"])[:80], tensor.get("shape"), tensor.get("datatype")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidFrame(name, "shape must be a list of sizes")
    if not isinstance(datatype, str):
        raise InvalidFrame(name, "datatype must be a string")
    parameters = tensor.get("parameters") or {}
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    result = InferInput(name, shape, datatype, data=tensor.get("data"))
    if "data" in tensor:
        if not isinstance(tensor["data"], list):
            raise InvalidFrame(name, "data must be a list")
        _check_depth(name, tensor["data"], len(shape))
        return result, 0
    if type(size) is not int or not 0 <= size <= len(raw):
        raise InvalidFrame(name, "needs data, or binary_data_size and as many bytes")
    result._raw_data = bytes(raw[:size])  # noqa: SLF001 (KServe's own reader sets it so, too)
    return result, size


def _check_depth(name: str, data: list[Any], dimensions: int) -> None:
    """Refuse lists nested deeper than the shape says: numpy and Python have their own limits."""
    level = data
    for _ in range(dimensions - 1):
        level = [item for part in level if isinstance(part, list) for item in part]
        if not level:
            return
    if any(isinstance(item, list | dict) for item in level):
        raise InvalidFrame(name, f"its data is nested deeper than its {dimensions} dimensions")


def _requested(outputs: object) -> list[RequestedOutput] | None:
    if not outputs:
        return None
    if not isinstance(outputs, list):
        raise InvalidInput("outputs must be a list")
    result: list[RequestedOutput] = []
    for output in outputs:
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise InvalidInput("each output must be an object with a name")
        parameters = output.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise InvalidFrame(output["name"][:80], "parameters must be an object")
        result.append(RequestedOutput(output["name"], parameters))
    return result


def _find(request: InferRequest, name: str, datatype: str, rank: int) -> InferInput:
    tensor = request.get_input_by_name(name)
    if tensor is None:
        raise InvalidFrame(name, "this input is missing")
    if tensor.datatype != datatype:
        raise InvalidFrame(name, f"datatype must be {datatype}, it is {tensor.datatype[:20]}")
    shape = list(tensor.shape)
    if len(shape) != rank or min(shape) < 0:
        raise InvalidFrame(name, f"shape must have {rank} dimensions, it is {shape[:5]}")
    if shape[0] == 0:
        raise InvalidFrame(name, "it is empty")
    if shape[0] > MAX_INSTANCES:
        raise TooLarge("instances", MAX_INSTANCES, shape[0])
    return tensor


def _array(tensor: InferInput, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = tensor.as_numpy()
    except (ValueError, TypeError, OverflowError, struct.error):
        raise InvalidFrame(name, f"its data does not fill {list(tensor.shape)}") from None
    return array


def _all_numbers(data: Any) -> bool:
    """Whether lists hold numbers only; numpy would take "1" for one, and None."""
    if isinstance(data, list):
        return all(_all_numbers(item) for item in data)
    return type(data) in {int, float}
