"""The engine: its parts and its worker. Commands take it as their first argument."""

from treadle.contract.ids import IdSource
from treadle.engine.parts import ChatUpstream, Clock, Limits, Parts
from treadle.engine.worker import Worker
from treadle.store import Database


class Engine(Parts):
    """With `work` false its worker executes nothing: runs wait for another process."""

    def __init__(
        self,
        database: Database,
        upstream: ChatUpstream,
        *,
        clock: Clock,
        new_id: IdSource,
        limits: Limits,
        work: bool = True,
    ) -> None:
        super().__init__(database, upstream, clock=clock, new_id=new_id, limits=limits)
        self.worker = Worker(self, enabled=work)
