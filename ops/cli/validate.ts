import { checkTogether } from '../../topology/swarm/check/check-together.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { shownMistake } from '../../topology/swarm/shown-mistakes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { LocalPrograms } from '../swarms/local-programs.ts'
import { checkedSwarm, foundLines, signaturesOf } from './checked-files.ts'
import { exitStatus, mistakesOf, reportError } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'

/**
 * `waggle validate FILE…`: prints every mistake of every file, and checks the models, modules and programs on this machine. A swarm without mistakes
 * and warnings can run on this machine.
 */
export async function validate(files: readonly string[], { json }: { readonly json: boolean }): Promise<number> {
  let status: number = exitStatus.done
  const results: object[] = []
  const swarms: CheckedSwarm[] = []
  for (const file of files) {
    try {
      const { swarm, found, warnings } = await checkedSwarm(file, { programs: new LocalPrograms() })
      checkTogether([...swarms, swarm])
      swarms.push(swarm)
      const { name, bees } = swarm
      if (!json) {
        process.stdout.write(`${file}: ${name}, ${bees.length} bees, no mistakes\n${foundLines(found)}`)
        for (const { place, message, next } of warnings) process.stdout.write(terminalText(`${place}: warning: ${message}; ${next}\n`))
      }
      results.push({ file, valid: true, mistakes: [], warnings: warnings.map(shownMistake), ...signaturesOf(found) })
    } catch (thrown) {
      status = exitStatus.wrongInput
      if (!(thrown instanceof WaggleError)) throw thrown
      if (!json) reportError(thrown, { json: false })
      results.push({ file, valid: false, mistakes: mistakesOf(thrown).map(shownMistake), warnings: [] })
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(results.length === 1 ? results[0] : results)}\n`)
  return status
}
