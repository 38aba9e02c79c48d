"""What the agent can do, one file a tool family, and the door to the workspace that all of them go through."""

from __future__ import annotations

from wornpath.tools.decorator import FunctionTool, as_tool, tool
from wornpath.tools.registry import Registry, standard_tools
from wornpath.tools.schema import Limit, signature_line
from wornpath.tools.tool import Code, Content, Detail, Link, Name, Text, Tool, ToolContext, Verifiable, WorkspacePath
from wornpath.tools.workspace import Workspace, check_workspace

__all__ = [
    "Code",
    "Content",
    "Detail",
    "FunctionTool",
    "Limit",
    "Link",
    "Name",
    "Registry",
    "Text",
    "Tool",
    "ToolContext",
    "Verifiable",
    "Workspace",
    "WorkspacePath",
    "as_tool",
    "check_workspace",
    "signature_line",
    "standard_tools",
    "tool",
]
