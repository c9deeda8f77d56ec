"""Reports: tables, gains with confidence intervals, figures and one HTML file, all computed from stored scores."""

from adaptx.report.report import Report, write_report
from adaptx.report.tables.tidy import tidy

__all__ = ["Report", "tidy", "write_report"]
