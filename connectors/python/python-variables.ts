/** The environment variables of a bee's Python, on this machine and in a container. */
export const pythonVariables = {
  // Printed lines reach the log at once, and text is UTF-8 on every machine.
  PYTHONUNBUFFERED: '1',
  PYTHONUTF8: '1',
  // Python must not search the working folder before the SDK, because a file there may have the same name as a module of the SDK.
  PYTHONSAFEPATH: '1',
} as const
