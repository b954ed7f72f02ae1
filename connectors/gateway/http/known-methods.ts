import type { FastifyInstance } from 'fastify'

/** The methods of each path of `app`. The object must be created before the routes are added. */
export class KnownMethods {
  readonly #routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = []

  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ method, url }) => {
      const path = new RegExp(`^${url.split('/').map(segmentPattern).join('/')}/?$`)
      this.#routes.push({ path, methods: [method].flat() })
    })
  }

  /** The methods of a path, sorted, for the header `Allow`; empty for an unknown path. */
  of(url: string): readonly string[] {
    const [path = ''] = url.split('?', 1)
    return [...new Set(this.#routes.flatMap((route) => (route.path.test(path) ? route.methods : [])))].sort()
  }
}

function segmentPattern(segment: string): string {
  return segment.startsWith(':') ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
