import { dirname } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { describePlan, type PlanFormat } from '../../topology/swarm/describe.ts'
import { planSwarm } from '../../topology/swarm/plan.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus } from './exit-status.ts'

/** `waggle plan FILE`: prints the plan of a swarm under this machine's settings. */
export function plan(file: string, { format }: { readonly format: PlanFormat }): number {
  const { settings } = loadConfig({ directories: [dirname(file), process.cwd()], env: process.env })
  const planned = planSwarm(readSwarm(file, new BeeRegistry()), planSettingsOf(settings))
  process.stdout.write(`${describePlan(planned, format)}\n`)
  return exitStatus.done
}
