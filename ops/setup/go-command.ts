import { existsSync } from 'node:fs'

/** The folder of Go's own installer. It is often not in PATH. */
const installed = '/usr/local/go/bin/go'

/** The command that builds Go programs. */
export const goCommand = existsSync(installed) ? installed : 'go'
