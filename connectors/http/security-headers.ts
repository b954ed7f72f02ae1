import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'

/**
 * OWASP's secure headers, by helmet, which restrict browsers. A server makes them once, because they are the same for each answer. Making them for
 * each answer would take a twentieth of a small request's time.
 */
export function securityHeaders(): { readonly [name: string]: string } {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  helmetOfAll(request, response, (failure) => {
    if (failure !== undefined) throw failure
  })
  return Object.fromEntries(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]))
}

/** HSTS is left out: the server speaks plain HTTP, on loopback or behind a proxy that speaks TLS and sets it. */
const helmetOfAll = helmet({
  strictTransportSecurity: false,
  contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], upgradeInsecureRequests: null } },
})
