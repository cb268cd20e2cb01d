"""Asyncio client for NAVER Ncloud Chat's REST API."""

__version__ = "0.1.0.dev0"
