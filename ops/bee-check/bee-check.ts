import { Guardian } from '../../connectors/processes/guardian.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { CheckedProgram, CheckFailure } from './checked-program.ts'
import { type Check, checks } from './checks.ts'

export interface CheckResult {
  readonly check: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** The reason why the check failed or was skipped; null if it passed. */
  readonly detail: string | null
  /** The next step after a failure; null for any other outcome. */
  readonly next: string | null
}

export interface BeeCheckOptions {
  readonly command: readonly string[]
  /** The input for the checks that send correct requests. */
  readonly sample: Payload
  /** The longest wait for a result, in ms. */
  readonly limitMs: number
  readonly onResult: (result: CheckResult) => void
}

/**
 * Runs every check against a program: in some checks Waggle acts as a correct swarm, in others as a faulty swarm. Returns an outcome for each check.
 * A program that dies during a check is started again for the next check. If the program sends no hello, the other checks are not run.
 */
export async function checkBee({ command, sample, limitMs, onResult }: BeeCheckOptions): Promise<readonly CheckResult[]> {
  const guardian = new Guardian({ finishMs: 0, termMs: 0 })
  const results: CheckResult[] = []
  const add = (result: CheckResult) => {
    results.push(result)
    onResult(result)
  }
  const programs: CheckedProgram[] = []
  const start = async () => {
    const program = new CheckedProgram(command, limitMs, guardian)
    programs.push(program)
    return { program, hello: await program.hello() }
  }
  try {
    let { program, hello } = await start()
    add(passed(`says hello: ${hello.form}, on ${program.isSocket ? 'the socket' : 'its standard streams'}`))
    for (const check of checks) {
      const reason = check.skip?.(hello.wants) ?? null
      if (reason !== null) {
        add({ check: check.title, outcome: 'skipped', detail: reason, next: null })
        continue
      }
      if (program.isOver) ({ program, hello } = await start())
      const result = await outcomeOf(check, program, sample)
      add(result)
      if (result.outcome === 'failed') await program.stop()
    }
  } catch (thrown) {
    if (!(thrown instanceof CheckFailure)) throw thrown
    add(failed('says hello', thrown))
  } finally {
    for (const program of programs) await program.stop()
  }
  return results
}

async function outcomeOf(check: Check, program: CheckedProgram, sample: Payload): Promise<CheckResult> {
  try {
    await check.run(program, sample)
    return passed(check.title)
  } catch (thrown) {
    if (thrown instanceof CheckFailure) return failed(check.title, thrown)
    throw thrown
  }
}

function passed(check: string): CheckResult {
  return { check, outcome: 'passed', detail: null, next: null }
}

function failed(check: string, { message, next }: CheckFailure): CheckResult {
  return { check, outcome: 'failed', detail: message, next }
}
