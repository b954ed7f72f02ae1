import type { Server } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Clock } from '../../../processor/ports.ts'
import { rawProblem } from './problem.ts'

/**
 * Limits the number of a server's connections. The limit must be below the process's limit of open files. At the limit, a new connection replaces the
 * one that has been idle for longest. If none is idle, the new one gets 503. So does a replaced one that had no request yet: its first request may be
 * on the way, as in a burst of callers who all connect before they send. The returned function ends all connections without a request: those that there
 * are in a moment's time, and each other one behind its last response. It is for a server that closes: Node would wait for connections without a
 * request, and for those whose response began when they were to be kept alive.
 */
export function boundConnections(server: Server | HttpsServer, { maxConnections, clock }: ConnectionBounds): () => void {
  /** Connections without an open request, the longest idle first. The value is true for a connection that had a request before. */
  const idle = new Map<Socket, boolean>()
  let open = 0
  let isClosing = false
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
        turnAway(socket, `${maxConnections} connections have a request under way`)
        return
      }
      const [replaced, hadRequest] = oldest
      idle.delete(replaced)
      endIdle(replaced, hadRequest, `More than ${maxConnections} callers have connected, and this one has sent no request for longest`)
    }
    idle.set(socket, false)
  })
  server.prependListener('request', ({ socket }, response) => {
    idle.delete(socket)
    response.once('close', () => {
      if (socket.destroyed) return
      if (isClosing) socket.destroySoon()
      else idle.set(socket, true)
    })
  })
  return () => {
    isClosing = true
    clock.after(silentMs, () => {
      for (const [socket, hadRequest] of idle) endIdle(socket, hadRequest, 'The server is stopping')
    })
  }
}

interface ConnectionBounds {
  readonly maxConnections: number
  readonly clock: Clock
}

function endIdle(socket: Socket, hadRequest: boolean, why: string): void {
  if (hadRequest) socket.destroy()
  else turnAway(socket, why)
}

function turnAway(socket: Socket, detail: string): void {
  socket.end(rawProblem({ code: 'WAGGLE_OVERLOADED', detail, retryAfterSeconds: 1 }))
  socket.destroySoon()
}

const maxHandshakes = 256
/** The time for the first request of a connection that was opened just before the server closes. */
const silentMs = 1000
