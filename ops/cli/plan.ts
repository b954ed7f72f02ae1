import { dirname } from 'node:path'
import { describePlan, type PlanFormat } from '../../topology/swarm/plan/describe.ts'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import type { ModelServers } from '../../topology/swarm/ports/model-servers.ts'
import type { Postgres } from '../../topology/swarm/ports/postgres.ts'
import type { Programs } from '../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf } from '../config/settings.ts'
import { checkedSwarm, foundLines, signaturesOf } from './checked-files.ts'
import { exitStatus } from './exit-status.ts'

/**
 * `waggle plan FILE`: prints the plan of a swarm under this machine's settings. It also prints the inputs and outputs of models whose files are on
 * this machine.
 */
export async function plan(file: string, { format }: { readonly format: PlanFormat }): Promise<number> {
  const { settings } = loadConfig({ directories: [dirname(file), process.cwd()], env: process.env })
  const { swarm, found } = await checkedSwarm(file, { mayBeMissing: true, programs: unseen, modelServers: unasked, postgres: unconnected })
  const planned = describePlan(planSwarm(swarm, planSettingsOf(settings)), format)
  process.stdout.write(`${format === 'json' ? withModels(planned, found) : planned}\n`)
  const lines = foundLines(found)
  if (format === 'text' && lines !== '') process.stdout.write(`\nModels\n${lines}`)
  return exitStatus.done
}

function withModels(planned: string, found: Parameters<typeof signaturesOf>[0]): string {
  return JSON.stringify({ ...(JSON.parse(planned) as object), ...signaturesOf(found) }, null, 2)
}

/** A plan does not load modules or programs, because that would run code of the swarm. */
const unseen: Programs = { checkModule: async () => ({}), checkPython: async () => ({}), checkCommand: async () => {}, hasImage: async () => null }

/** A plan asks no server, because the file may be a stranger's. */
const unasked: Pick<ModelServers, 'open'> = {
  open: async ({ url }) => {
    throw new WaggleError('WAGGLE_MODEL_SERVER_AWAY', { message: `${url} is not asked for a plan`, next: 'Run `waggle validate`.' })
  },
}

/** A plan connects to no database, for the same reason. */
const unconnected: Postgres = {
  open() {
    throw new WaggleError('WAGGLE_POSTGRES_AWAY', { message: 'A database is not asked for a plan', next: 'Run `waggle validate`.' })
  },
}
