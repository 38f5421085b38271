"""Does on import what each worker would do again: what the server of ready workers imports."""

import fork_server

fork_server.prepare()
