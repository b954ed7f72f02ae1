import { loadConfig } from '../config/config.ts'
import { environmentToken } from '../inspection/bearer.ts'
import { runningProcess } from '../inspection/open-management.ts'
import type { Server } from '../inspection/server-call.ts'

export interface ServerOptions {
  /** The address of a running server. Default: the process that has the data directory open, else port `http_port` of this machine. */
  readonly url?: string
  readonly json: boolean
}

/** The server that a command calls. Whether the server runs is not checked. */
export async function serverOf({ url }: ServerOptions): Promise<Server> {
  if (url !== undefined) return { url: url.replace(/\/+$/, ''), token: environmentToken() }
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  return (await runningProcess(settings)) ?? { url: `http://127.0.0.1:${settings.http_port || 8080}`, token: environmentToken() }
}
