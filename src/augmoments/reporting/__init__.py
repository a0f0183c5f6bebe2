"""Reports: everything about images under a policy, on one page and as JSON."""

from augmoments.reporting.output import Written, prepare_folder, to_json, writable_folder, write
from augmoments.reporting.quantify import quantify
from augmoments.reporting.report import Report, report
from augmoments.reporting.request import Judge, Options, Request, Subject
from augmoments.reporting.results import SCHEMA, Results

__all__ = [
    "SCHEMA",
    "Judge",
    "Options",
    "Report",
    "Request",
    "Results",
    "Subject",
    "Written",
    "prepare_folder",
    "quantify",
    "report",
    "to_json",
    "writable_folder",
    "write",
]
