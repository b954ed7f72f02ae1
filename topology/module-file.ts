/**
 * The file from which a worker or a child process starts: `moduleFile(new URL('./worker.ts', import.meta.url))`. The repository runs its sources. In
 * the published package they are compiled, and `worker.js` replaces `worker.ts`.
 */
export function moduleFile(source: URL): URL {
  return import.meta.url.endsWith('.ts') ? source : new URL(source.href.replace(/\.ts$/, '.js'))
}
