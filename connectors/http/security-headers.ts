import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'

/**
 * The headers that tell a browser how little it may do with an answer (OWASP's secure headers, by helmet). They are the same for each
 * answer, so they are made once: `reply.headers(securityHeaders())` made anew for each answer would take a twentieth of a small request's time.
 */
export function securityHeaders(): { readonly [name: string]: string } {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  helmetOfAll(request, response, (failure) => {
    if (failure !== undefined) throw failure
  })
  return Object.fromEntries(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]))
}

/** Plain HTTP on loopback, or behind a proxy that speaks TLS and says so itself. */
const helmetOfAll = helmet({
  strictTransportSecurity: false,
  contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], upgradeInsecureRequests: null } },
})
