"""Marks for tests of what only some systems have."""

import platform

import pytest

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
