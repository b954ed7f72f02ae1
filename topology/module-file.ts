/**
 * The file from which a worker or a child process starts: `moduleFile(new URL('./worker.ts', import.meta.url))`. The repository runs its sources. The
 * published package is compiled, so `worker.ts` becomes `worker.js`.
 */
export function moduleFile(source: URL): URL {
  return import.meta.url.endsWith('.ts') ? source : new URL(source.href.replace(/\.ts$/, '.js'))
}
