/**
 * The version of the management API. Commands and servers tell each other their version. The version rises when an older command can no longer manage
 * a newer server correctly.
 */
export const apiVersion = 1
/** The oldest version of commands that a server of this version serves. */
export const oldestApiVersion = 1
/** The header of requests and answers that carries the version. */
export const apiVersionHeader = 'waggle-api'
