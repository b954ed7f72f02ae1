/**
 * The file that a worker or a child process starts from: `moduleFile(new URL('./worker.ts', import.meta.url))`. The repository runs its
 * sources; in the published package they are compiled, and `worker.js` lies in the place of `worker.ts`.
 */
export function moduleFile(source: URL): URL {
  return import.meta.url.endsWith('.ts') ? source : new URL(source.href.replace(/\.ts$/, '.js'))
}
