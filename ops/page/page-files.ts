import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { PageFile } from '../../topology/swarm/page.ts'

const assets = join(import.meta.dirname, 'assets')

/** The page's own files. `index.html` is at `/`; the other files are below `/page/`. */
const own = [
  'index.html',
  'page.css',
  'page.js',
  'view-address.js',
  'live.js',
  'polled.js',
  'graph.js',
  'graph-layout.js',
  'fitted-text.js',
  'bee.js',
  'records.js',
  'swarm-state.js',
  'ask.js',
  'waterfall.js',
  'letters.js',
  'requests.js',
  'topics.js',
  'swarms.js',
  'predictions.js',
  'plot.js',
  'sign-in.js',
  'api.js',
  'flame.js',
  'flame-layout.js',
  'flame.css',
]

/** The libraries of the page, by the names under which the page's modules import them. */
const libraries = {
  'htm/preact/standalone': 'preact.js',
  '@dagrejs/dagre': 'dagre.js',
  uplot: 'uplot.js',
} as const

/** The module for browsers of each package whose main module is not for browsers. */
const ofPackages: ReadonlyMap<string, string> = new Map([['uplot', 'uplot/dist/uPlot.esm.js']])

/** Reads the files of the page, and makes their Content-Security-Policy. There is no build step: a browser gets the files unchanged. */
export function pageFiles(): { readonly files: ReadonlyMap<string, PageFile>; readonly contentSecurityPolicy: string } {
  const imports = Object.fromEntries(Object.entries(libraries).map(([specifier, name]) => [specifier, `./page/lib/${name}`]))
  const map = JSON.stringify({ imports })
  // The browser asks for all modules at once. Without this list it would ask for a module only after it has read the module that imports it.
  const modules = [...own.filter((name) => name.endsWith('.js')).map((name) => `./page/${name}`), ...Object.values(imports)]
  const preloads = modules.map((path) => `<link rel="modulepreload" href="${path}" />`).join('\n    ')
  const files = new Map<string, PageFile>()
  for (const name of own) {
    const text = readFileSync(join(assets, name), 'utf8')
    files.set(
      name === 'index.html' ? '/' : `/page/${name}`,
      fileOf(name, name === 'index.html' ? text.replace('IMPORT_MAP', () => map).replace('MODULES', () => preloads) : text),
    )
  }
  // Source maps are not served, because only developer tools would ask for them.
  for (const [specifier, name] of Object.entries(libraries)) {
    const text = readFileSync(fileURLToPath(import.meta.resolve(ofPackages.get(specifier) ?? specifier)), 'utf8')
    files.set(`/page/lib/${name}`, fileOf(name, text.replace(/\n\/\/# sourceMappingURL=.*/, '')))
  }
  files.set('/page/lib/uplot.css', fileOf('uplot.css', readFileSync(fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css')), 'utf8')))
  const hash = createHash('sha256').update(map).digest('base64')
  return { files, contentSecurityPolicy: policyFor(`'sha256-${hash}'`) }
}

function fileOf(name: string, text: string): PageFile {
  const bytes = Buffer.from(text)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return {
    contentType: contentTypes[name.slice(name.lastIndexOf('.'))] ?? 'application/octet-stream',
    bytes,
    gzip: gzipSync(bytes, { level: 9 }),
    etag,
  }
}

const contentTypes: { readonly [ending: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

/** The Content-Security-Policy of the page. It allows files of this server, its API, and pictures in the page's memory. */
function policyFor(importMap: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' ${importMap}`,
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
