import { html, useEffect, useRef } from 'htm/preact/standalone'
import uPlot from 'uplot'

/** A plot of lines over time. `series` are `{label, values}` of the same length as `times`, which are epoch milliseconds. A value may be null. */
export function Plot({ title, times, series, unit = '' }) {
  const place = useRef(null)
  useEffect(() => {
    const element = place.current
    const draw = () => drawn({ element, title, times, series, unit })
    let plot = draw()
    const again = () => {
      plot.destroy()
      plot = draw()
    }
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', again)
    let width = element.clientWidth
    const watch = new ResizeObserver(() => {
      if (element.clientWidth === width) return
      width = element.clientWidth
      plot.setSize({ width, height })
    })
    watch.observe(element)
    return () => {
      dark.removeEventListener('change', again)
      watch.disconnect()
      plot.destroy()
    }
  }, [title, times, series, unit])
  return html`<figure class="plot">
    <figcaption>${title}</figcaption>
    <div ref=${place} role="img" aria-label=${`${title}: ${series.map(({ label }) => label).join(', ')}. The numbers are in the table below.`}></div>
    <ul class="legend">${series.map(({ label }, at) => html`<li key=${label}><i class=${`colour-${at % colours.light.length}`}></i>${label}</li>`)}</ul>
    <details><summary>As a table</summary>
      <div class="scroll" tabindex="0" role="region" aria-label=${`${title}, as a table`}><table class="rows">
        <thead><tr><th scope="col">Time</th>${series.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead>
        <tbody>${times.map((time, at) => html`<tr><th scope="row">${new Date(time).toLocaleString()}</th>${series.map(({ values }) => html`<td>${valueText(values[at], unit)}</td>`)}</tr>`)}</tbody>
      </table></div>
    </details>
  </figure>`
}

function drawn({ element, times, series, unit }) {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches
  const palette = isDark ? colours.dark : colours.light
  const style = getComputedStyle(document.body)
  const axis = {
    stroke: style.getPropertyValue('--quiet'),
    grid: { stroke: style.getPropertyValue('--line'), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  }
  const options = {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { y: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 1) > 0 ? high * 1.08 : 1] } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => valueText(tick, unit)) }],
    series: [
      {},
      ...series.map(({ label, values }, at) => ({
        label,
        stroke: palette[at % palette.length],
        width: 2,
        // A value between two missing values has no line, so it is drawn as a point.
        points: { show: values.some((value) => value === null), size: 5 },
      })),
    ],
  }
  return new uPlot(options, [times.map((time) => time / 1000), ...series.map(({ values }) => values)], element)
}

function valueText(value, unit) {
  if (value === null || value === undefined) return '–'
  const rounded = Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
  return unit === '' ? rounded : `${rounded} ${unit}`
}

const height = 200
const colours = {
  light: ['#8a5a00', '#0b5cad', '#1d7a44', '#a1307a', '#6b4fbb', '#b3261e', '#4c6b73', '#5f5b53'],
  dark: ['#f2b62b', '#7ab8ff', '#6fd197', '#ff9ad5', '#b9a3ff', '#ff8a80', '#9fc4ce', '#cfc8ba'],
}
