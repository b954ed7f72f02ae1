import type { Server } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { rawProblem } from './problem.ts'

/**
 * Limits the number of a server's connections. The limit must be below the process's limit of open files. At the limit, a new connection replaces the
 * one that has been idle for longest. If none is idle, the new one gets 503.
 */
export function boundConnections(server: Server | HttpsServer, maxConnections: number): void {
  /** Connections without an open request, the longest idle first. */
  const idle = new Set<Socket>()
  let open = 0
  // Under TLS a connection counts once its handshake is done. Connections before their handshake have a bound of their own, and 10 s for the
  // handshake.
  const isTls = server instanceof HttpsServer
  if (isTls) server.maxConnections = maxConnections + maxHandshakes
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    open++
    socket.once('close', () => {
      open--
      idle.delete(socket)
    })
    if (open > maxConnections) {
      const [oldest] = idle
      if (oldest === undefined) {
        socket.end(
          rawProblem({
            code: 'WAGGLE_OVERLOADED',
            detail: `${maxConnections} connections have a request under way`,
            retryAfterSeconds: 1,
          }),
        )
        socket.destroySoon()
        return
      }
      idle.delete(oldest)
      oldest.destroy()
    }
    idle.add(socket)
  })
  server.prependListener('request', ({ socket }, response) => {
    idle.delete(socket)
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket)
    })
  })
}

const maxHandshakes = 256
