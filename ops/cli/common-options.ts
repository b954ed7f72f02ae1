import { InvalidArgumentError, Option } from 'commander'
import { urlVariable } from '../config/unknown-variables.ts'

/** Options that several commands have. */

export const json = () => new Option('--json', 'print JSON, for programs').default(false)
export const onProcess = () => new Option('--url <url>', 'where a process runs; default: that which has the data directory open').env(urlVariable)
export const atServer = () =>
  new Option('--directory <path>', 'where relative paths of the swarm begin at the server; default: the folder of the file')
export const onLog = () => new Option('--log <log>', 'which log, before WAGGLE_LOG').choices(['embedded', 'kafka'])

/** Reads the value of an option that is a number of things. */
export function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a whole number above 0.')
}
