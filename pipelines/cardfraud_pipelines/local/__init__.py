"""The local stack: real servers on loopback, started, watched and stopped by one supervisor."""

from cardfraud_pipelines.local.endpoints import Endpoints
from cardfraud_pipelines.local.errors import PartFailed, PortTaken, StackInUse
from cardfraud_pipelines.local.part import Part
from cardfraud_pipelines.local.ports import pick_port
from cardfraud_pipelines.local.stack import LocalStack
from cardfraud_pipelines.local.supervisor import Supervisor

__all__ = [
    "Endpoints",
    "LocalStack",
    "Part",
    "PartFailed",
    "PortTaken",
    "StackInUse",
    "Supervisor",
    "pick_port",
]
