"""Reports: from the scores in the store to tables, gains with intervals, figures and one HTML file."""

from adaptx.report.report import Report, write_report
from adaptx.report.table import tidy

__all__ = ["Report", "tidy", "write_report"]
