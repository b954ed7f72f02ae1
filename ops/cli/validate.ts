import { BeeRegistry } from '../../bees/registry.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus, mistakesOf, reportError, shown } from './exit-status.ts'

/** `waggle validate FILE…`: every mistake of every file. */
export function validate(files: readonly string[], { json }: { readonly json: boolean }): number {
  let status: number = exitStatus.done
  const results = files.map((file) => {
    try {
      const { name, bees } = readSwarm(file, new BeeRegistry())
      if (!json) process.stdout.write(`${file}: ${name}, ${bees.length} bees, no mistakes\n`)
      return { file, valid: true, mistakes: [] }
    } catch (thrown) {
      status = exitStatus.wrongInput
      if (!(thrown instanceof WaggleError)) throw thrown
      if (!json) reportError(thrown, { json: false })
      return { file, valid: false, mistakes: mistakesOf(thrown).map(shown) }
    }
  })
  if (json) process.stdout.write(`${JSON.stringify(results.length === 1 ? results[0] : results)}\n`)
  return status
}
