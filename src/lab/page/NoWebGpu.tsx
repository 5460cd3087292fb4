/** For browsers without WebGPU: what is missing, and the way without a browser. */
export function NoWebGpu() {
  return (
    <main class="no-webgpu">
      <h1>This browser has no WebGPU</h1>
      <p>
        The lab runs its kernels on your own machine through WebGPU, which this browser does not offer
        {isSecureContext ? '' : ', or not to a page that did not come over HTTPS or from this machine'}. Chrome and Edge have it from
        version 113 on, Safari from 26, and Firefox from 141 on Windows and 145 on Macs.
      </p>
      <p>Everything that the lab shows can be had without a browser, with or without a GPU:</p>
      <pre>
        <code>{'npx backlight demo photo.jpg\nnpx backlight saliency photo.jpg --model default --class top5 -o sheet.png'}</code>
      </pre>
    </main>
  );
}
