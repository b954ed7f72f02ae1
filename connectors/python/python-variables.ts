/** The environment variables of a bee's Python, on this machine and in a container. */
export const pythonVariables = {
  // Prints come to the log at once, and text is UTF-8 wherever the machine is.
  PYTHONUNBUFFERED: '1',
  PYTHONUTF8: '1',
  // The working folder is not searched for modules before the SDK: a file there may have the name of one of its modules.
  PYTHONSAFEPATH: '1',
} as const
