"""Tests of Thaw. What they run of src/ is counted from the first import on."""

from tests.line_coverage import count_lines

count_lines()
