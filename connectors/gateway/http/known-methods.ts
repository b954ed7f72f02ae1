import type { FastifyInstance } from 'fastify'
import type { RouteScope } from '../access/route-guard.ts'

/** The methods of each path of `app`, with the permission that each method needs. The object must be created before the routes are added. */
export class KnownMethods {
  readonly #routes: { readonly path: RegExp; readonly methods: readonly string[]; readonly scope: RouteScope | undefined }[] = []

  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ method, url, config }) => {
      const path = new RegExp(`^${url.split('/').map(segmentPattern).join('/')}/?$`)
      this.#routes.push({ path, methods: [method].flat(), scope: config?.scope })
    })
  }

  /** The methods of a path, sorted, for the header `Allow`; empty for an unknown path. */
  of(url: string): readonly string[] {
    return this.withScopes(url, null)
  }

  /** The methods of a path that need one of these permissions; all methods if `scopes` is null. */
  withScopes(url: string, scopes: ReadonlySet<RouteScope> | null): readonly string[] {
    const [path = ''] = url.split('?', 1)
    const found = this.#routes.filter((route) => route.path.test(path) && (scopes === null || (route.scope !== undefined && scopes.has(route.scope))))
    return [...new Set(found.flatMap(({ methods }) => methods))].sort()
  }
}

function segmentPattern(segment: string): string {
  return segment.startsWith(':') ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
