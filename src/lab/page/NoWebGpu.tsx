/** For browsers without WebGPU, or with no adapter for it: what is missing, what to do about it, and the way without a browser. */
export function NoWebGpu({ problem, onRetry }: { problem?: string; onRetry?: () => void }) {
  return (
    <main class="no-webgpu">
      {problem === undefined ? <Absent /> : <NoAdapter problem={problem} onRetry={onRetry!} />}
      <p>Everything that the lab shows can be had without a browser, with or without a GPU:</p>
      <pre>
        <code>{'npx backlight demo photo.jpg\nnpx backlight saliency photo.jpg --model default --class top5 -o sheet.png'}</code>
      </pre>
    </main>
  );
}

function Absent() {
  return (
    <>
      <h1>This browser has no WebGPU</h1>
      <p>
        The lab runs its kernels on your own machine through WebGPU, which this browser does not offer
        {isSecureContext ? '' : ', or not to a page that did not come over HTTPS or from this machine'}. Chrome and Edge have it from
        version 113 on, Safari from 26, and Firefox from 141 on Windows and 145 on Macs.
      </p>
    </>
  );
}

function NoAdapter({ problem, onRetry }: { problem: string; onRetry: () => void }) {
  return (
    <>
      <h1>This browser has WebGPU, but no device for it</h1>
      <p>
        The lab runs its kernels on your own machine through WebGPU. The browser was asked for a device and said: <q>{problem}</q>
      </p>
      <p>
        Chrome on Linux offers one only when it is told to. Turn on <code>chrome://flags/#enable-unsafe-webgpu</code> and{' '}
        <code>chrome://flags/#enable-vulkan</code>, or start it with
      </p>
      <pre>
        <code>google-chrome --enable-unsafe-webgpu --enable-features=Vulkan</code>
      </pre>
      <p>
        and, on a machine without a GPU, with <code>--use-webgpu-adapter=swiftshader</code> as well. Elsewhere see that the browser may use
        the GPU (hardware acceleration in its settings), and that the driver is up to date.
      </p>
      <p>
        <button type="button" class="primary" onClick={onRetry}>
          try again
        </button>
      </p>
    </>
  );
}
