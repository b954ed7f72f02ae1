import { editorSchema } from '../../topology/swarm/check/swarm-schema.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { exitStatus } from './exit-status.ts'

/** `waggle schema`: prints the JSON Schema with which an editor completes and checks swarm files. */
export function schema(): number {
  process.stdout.write(`${JSON.stringify(editorSchema(beeRegistry(process.cwd())), null, 2)}\n`)
  return exitStatus.done
}
