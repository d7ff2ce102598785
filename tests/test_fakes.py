import pytest

from callgate.errors import StoreError
from tests.fakes import FakeClock, MemoryStore
from tests.store.contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, clock: FakeClock) -> MemoryStore:
        return MemoryStore(clock)

    async def test_failure_is_raised_until_it_is_taken_away(self, store: MemoryStore) -> None:
        store.failure = StoreError("gone")
        with pytest.raises(StoreError, match="gone"):
            await store.records()
        store.failure = None

        assert await store.records() == []
