import { writeSync } from 'node:fs'
import { moduleTypes } from '../../bees/module/load-bee.ts'
import { serveOwnPackage } from '../../topology/own-package.ts'
import type { ModuleTypes } from '../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The message that this process writes for its parent, as JSON on descriptor 3. */
export type ModuleVerdict =
  | { readonly error: null; readonly types: ModuleTypes }
  | { readonly error: { readonly message: string; readonly next: string } }

/** Loads a module. Returns the types of the bee with this name. Returns the error if the module cannot be loaded or lacks the bee. */
async function verdictOn(path: string, name: string): Promise<ModuleVerdict> {
  try {
    return { error: null, types: await moduleTypes({ path, export: name }) }
  } catch (thrown) {
    const { message, next } = WaggleError.from('WAGGLE_INVALID_MODULE', thrown, { next: 'Correct the module.' })
    return { error: { message, next } }
  }
}

// This is the program of a child process. The process kills itself after its verdict, so that timers and threads of the module do not continue.
serveOwnPackage()
const [path = '', name = 'default'] = process.argv.slice(2)
const verdict = await verdictOn(path, name)
writeSync(3, JSON.stringify(verdict))
process.kill(process.pid, 'SIGKILL')
