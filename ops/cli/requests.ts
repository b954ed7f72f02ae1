import { type ListedRequest, managementLimits } from '../../topology/swarm/log-management.ts'
import { loadConfig } from '../config/config.ts'
import { withRunningProcess } from '../inspection/open-management.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'
import { textTable } from './text-table.ts'
import { timeText } from './time-text.ts'

export interface RequestsOptions {
  /** The address of a running process. Default: the process that has the data directory open. */
  readonly url?: string
  readonly swarm?: string
  readonly gateway?: string
  readonly state?: ListedRequest['state']
  readonly key?: string
  /** The time in epoch milliseconds. */
  readonly from?: number
  readonly to?: number
  readonly after?: string
  readonly max: number
  readonly json: boolean
}

/** `waggle requests list`: prints the requests of a running process, the newest first. */
export async function listRequests({ url, json, max, ...filters }: RequestsOptions): Promise<number> {
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const { swarm = null, gateway = null, state = null, key = null, from = null, to = null, after = null } = filters
  const asked = { swarm, gateway, state, key, from, to, after, max: Math.min(max, managementLimits.requests) }
  const page = await withRunningProcess(settings, url ?? null, (management) => management.requests(asked))
  if (json) process.stdout.write(`${JSON.stringify(page)}\n`)
  else {
    process.stdout.write(page.requests.length === 0 ? 'There are no such requests.\n' : `${textTable(head, page.requests.map(rowOf))}\n`)
    if (page.next !== null) process.stdout.write(`\nThere are more: --after ${terminalText(page.next)}\n`)
  }
  return exitStatus.done
}

const head = ['request', 'swarm', 'gateway', 'state', 'accepted', 'took', 'error']

function rowOf({ request_id, swarm, gateway, state, accepted_at, finished_at, error }: ListedRequest): readonly string[] {
  const took = finished_at === null ? '-' : `${finished_at - accepted_at} ms`
  return [request_id, swarm, gateway ?? '-', state, timeText(accepted_at), took, error === null ? '' : `${error.bee}: ${error.code}`]
}
