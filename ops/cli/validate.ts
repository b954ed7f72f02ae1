import { dirname } from 'node:path'
import { checkBees } from '../../bees/check-bees.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import { checkTogether } from '../../topology/swarm/check-together.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus, mistakesOf, reportError, shown } from './exit-status.ts'

/** `waggle validate FILE…`: prints every mistake of every file, and checks model files that are on this machine. */
export async function validate(files: readonly string[], { json }: { readonly json: boolean }): Promise<number> {
  let status: number = exitStatus.done
  const results = []
  const swarms: CheckedSwarm[] = []
  for (const file of files) {
    try {
      const swarm = await checked(file)
      checkTogether([...swarms, swarm])
      swarms.push(swarm)
      const { name, bees } = swarm
      if (!json) process.stdout.write(`${file}: ${name}, ${bees.length} bees, no mistakes\n`)
      results.push({ file, valid: true, mistakes: [] })
    } catch (thrown) {
      status = exitStatus.wrongInput
      if (!(thrown instanceof WaggleError)) throw thrown
      if (!json) reportError(thrown, { json: false })
      results.push({ file, valid: false, mistakes: mistakesOf(thrown).map(shown) })
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(results.length === 1 ? results[0] : results)}\n`)
  return status
}

async function checked(file: string) {
  const registry = new BeeRegistry()
  const swarm = readSwarm(file, registry)
  const directory = dirname(file)
  const config = loadConfig({ directories: [directory, process.cwd()], env: process.env })
  await checkBees(swarm, { registry, models: new ThreadedModels({ requireGpu: false }), resolve: (uri) => config.resolve.path(uri, directory) })
  return swarm
}
