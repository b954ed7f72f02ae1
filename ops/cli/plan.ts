import { dirname } from 'node:path'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import { describePlan, type PlanFormat } from '../../topology/swarm/plan/plan-description.ts'
import type { ModelServers } from '../../topology/swarm/ports/model-servers.ts'
import type { Postgres } from '../../topology/swarm/ports/postgres.ts'
import type { Programs } from '../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { stepBeesOf } from '../beekeeper/swarm-holdings.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf } from '../config/settings.ts'
import { loadSwarm } from '../swarms/swarm.ts'
import { checkedSwarm, foundLines, signaturesOf } from './checked-files.ts'
import { exitStatus } from './exit-status.ts'

export interface PlanOptions {
  readonly format: PlanFormat
  /** If true, the modules of DSL bees are loaded, and the plan contains the stores and topics of their steps. */
  readonly steps: boolean
}

/**
 * `waggle plan FILE`: prints the plan that a swarm has with the settings of this machine, and the inputs and outputs of the models whose files are on
 * this machine.
 */
export async function plan(file: string, { format, steps }: PlanOptions): Promise<number> {
  const { settings } = loadConfig({ directories: [dirname(file), process.cwd()], env: process.env })
  const { swarm, found } = await checkedSwarm(file, { mayBeMissing: true, programs: unseen, modelServers: unasked, postgres: unconnected })
  const planned = steps ? (await loadSwarm(file)).plan(format) : describePlan(planSwarm(swarm, planSettingsOf(settings)), format)
  process.stdout.write(`${format === 'json' ? withModels(planned, found) : planned}\n`)
  const hidden = steps || format !== 'text' ? [] : stepBeesOf(swarm.bees, beeRegistry(dirname(file)))
  if (hidden.length > 0)
    process.stdout.write(`\nNot shown: stores and topics of steps in ${hidden.join(', ')}. --steps loads the modules and shows them.\n`)
  const lines = foundLines(found)
  if (format === 'text' && lines !== '') process.stdout.write(`\nModels\n${lines}`)
  return exitStatus.done
}

function withModels(planned: string, found: Parameters<typeof signaturesOf>[0]): string {
  return JSON.stringify({ ...(JSON.parse(planned) as object), ...signaturesOf(found) }, null, 2)
}

/** `waggle plan` does not load modules or programs, because loading them would run code of the swarm. */
const unseen: Programs = { checkModule: async () => ({}), checkPython: async () => ({}), checkCommand: async () => {}, hasImage: async () => null }

/** `waggle plan` contacts no model server, because the swarm file may come from a stranger. */
const unasked: Pick<ModelServers, 'open'> = {
  open: async ({ url }) => {
    throw new WaggleError('WAGGLE_MODEL_SERVER_AWAY', { message: `${url} is not asked for a plan`, next: 'Run `waggle validate`.' })
  },
}

/** `waggle plan` connects to no database, because the swarm file may come from a stranger. */
const unconnected: Postgres = {
  open() {
    throw new WaggleError('WAGGLE_POSTGRES_AWAY', { message: 'A database is not asked for a plan', next: 'Run `waggle validate`.' })
  },
}
