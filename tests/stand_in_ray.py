"""The names of Ray that bnexp uses, for tests that need no second process.

An actor is an object, and a task is done in this process when it is waited for.
"""

from functools import partial
from types import ModuleType, SimpleNamespace


class RayError(Exception):
    pass


class WorkerCrashedError(RayError):
    pass


class RayTaskError(RayError):
    pass


class TaskCancelledError(RayError):
    pass


class Answer:
    """What a call or a task came to, found out when it is asked for."""

    def __init__(self, function):
        self._function = function
        self._error = None

    def settle(self):
        """Does the task, if it was not done yet."""
        function, self._function = self._function, lambda: None
        try:
            function()
        except RayError as error:
            self._error = error

    def get(self):
        if self._error is not None:
            raise self._error
        return self._function()


class Actor:
    def __init__(self, thing):
        self._thing = thing

    def __getattr__(self, name):
        call = getattr(self._thing, name)
        return SimpleNamespace(remote=lambda *values: Answer(partial(call, *values)))


class StandInRay(ModuleType):
    def __init__(self, *, dying=(), failing=()):
        super().__init__("ray")
        self.exceptions = SimpleNamespace(
            RayError=RayError, RayTaskError=RayTaskError, TaskCancelledError=TaskCancelledError
        )
        self._errors = dict.fromkeys(dying, WorkerCrashedError("gone"))
        self._errors |= dict.fromkeys(failing, RayTaskError("Traceback:\nKeyError: 'x'"))
        """By the numbers of the tasks, in the order in which they are submitted."""
        self._submitted = 0
        self.is_down = False

    def init(self, **_):
        pass

    def cluster_resources(self):
        return {"CPU": 2.0}

    def shutdown(self):
        self.is_down = True

    def remote(self, thing=None, **_):
        if thing is None:
            return self.remote
        if isinstance(thing, type):
            return SimpleNamespace(remote=lambda: Actor(thing()))
        submit = partial(self._submit, thing)
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=submit))

    def _submit(self, function, *arguments):
        error = self._errors.get(self._submitted)
        self._submitted += 1

        def do():
            if error is not None:
                raise error
            function(*arguments)

        return Answer(do)

    def wait(self, tasks, timeout):
        tasks[0].settle()
        return tasks[:1], tasks[1:]

    def get(self, answer):
        return answer.get()

    def cancel(self, task):
        raise AssertionError("nothing is stopped")
