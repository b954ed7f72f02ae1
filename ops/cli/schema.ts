import { BeeRegistry } from '../../bees/registry.ts'
import { editorSchema } from '../../topology/swarm/swarm-schema.ts'
import { exitStatus } from './exit-status.ts'

/** `waggle schema`: prints the JSON Schema with which an editor completes and checks swarm files. */
export function schema(): number {
  process.stdout.write(`${JSON.stringify(editorSchema(new BeeRegistry()), null, 2)}\n`)
  return exitStatus.done
}
