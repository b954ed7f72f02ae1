import { callServer } from '../inspection/server-call.ts'
import { exitStatus } from './exit-status.ts'
import { type ServerOptions, serverOf } from './server-options.ts'

/** `waggle log-level [LEVELS]`: prints the levels of a running process's log, or changes them until its settings are read again. */
export async function logLevel(levels: string | null, options: ServerOptions): Promise<number> {
  const path = '/v1/log-level'
  const call = levels === null ? { method: 'GET', path } : { method: 'PUT', path, body: { level: levels } }
  const { level } = (await callServer(await serverOf(options), call)) as { readonly level: string }
  process.stdout.write(options.json ? `${JSON.stringify({ level })}\n` : `${level}\n`)
  return exitStatus.done
}
