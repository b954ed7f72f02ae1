/**
 * The version of the management API, which commands and servers tell each other. It rises when an older command can no longer manage a newer server
 * correctly.
 */
export const apiVersion = 1
/** The oldest version of commands that a server of this version serves. */
export const oldestApiVersion = 1
/** The header with the version, of requests and of answers. */
export const apiVersionHeader = 'waggle-api'
