import { dirname } from 'node:path'
import { checkBees } from '../../bees/check-bees.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import { checkTogether } from '../../topology/swarm/check-together.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { Redaction } from '../../topology/swarm/redaction.ts'
import { withSecrets } from '../../topology/swarm/secrets.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus, mistakesOf, reportError, shown } from './exit-status.ts'
import { LocalPrograms } from './local-programs.ts'

/**
 * `waggle validate FILE…`: prints every mistake of every file, and looks into the models, modules and programs that are on this machine. What it passes runs
 * here, apart from its warnings.
 */
export async function validate(files: readonly string[], { json }: { readonly json: boolean }): Promise<number> {
  let status: number = exitStatus.done
  const results = []
  const swarms: CheckedSwarm[] = []
  for (const file of files) {
    try {
      const { swarm, warnings } = await checked(file)
      checkTogether([...swarms, swarm])
      swarms.push(swarm)
      const { name, bees } = swarm
      if (!json) {
        process.stdout.write(`${file}: ${name}, ${bees.length} bees, no mistakes\n`)
        for (const { place, message, next } of warnings) process.stdout.write(`${place}: warning: ${message}; ${next}\n`)
      }
      results.push({ file, valid: true, mistakes: [], warnings: warnings.map(shown) })
    } catch (thrown) {
      status = exitStatus.wrongInput
      if (!(thrown instanceof WaggleError)) throw thrown
      if (!json) reportError(thrown, { json: false })
      results.push({ file, valid: false, mistakes: mistakesOf(thrown).map(shown), warnings: [] })
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(results.length === 1 ? results[0] : results)}\n`)
  return status
}

async function checked(file: string): Promise<{ readonly swarm: CheckedSwarm; readonly warnings: readonly WaggleError[] }> {
  const registry = new BeeRegistry()
  const swarm = readSwarm(file, registry)
  const directory = dirname(file)
  const config = loadConfig({ directories: [directory, process.cwd()], env: process.env })
  const redaction = new Redaction(hiddenValues(config))
  const missing: WaggleError[] = []
  const bees = swarm.bees.map((bee, at) => ({ ...bee, spec: withSecrets(swarm.document, bee.spec, ['bees', at, 'spec'], config.secrets, missing) }))
  try {
    const warnings = await checkBees(
      { ...swarm, bees },
      {
        registry,
        ports: { models: new ThreadedModels({ requireGpu: false }), programs: new LocalPrograms() },
        resolve: (uri) => config.resolve.path(uri, directory),
        resolveCommand: (image) => config.resolve.command(image),
      },
    )
    return { swarm, warnings: [...missing, ...warnings].map((warning) => redacted(warning, redaction)) }
  } catch (thrown) {
    throw redaction.error(thrown)
  }
}

function redacted(warning: WaggleError, redaction: Redaction): WaggleError {
  const error = redaction.error(warning)
  return error instanceof WaggleError ? error : warning
}
