// A device of torch that computes on the CPU, but refuses, as a GPU does, tensors that are elsewhere.
//
// Its tensors have memory and a dispatch key of their own. Views are torch's; every other operation is the CPU's, by torch's
// own fallback, once all of its tensors are known to be here. With the environment variable ACCELERATOR_WITHOUT_FLOAT64 it
// has no float64, as Apple's has none.

#include <cstdlib>

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

namespace {

using at::IntArrayRef;
using at::Tensor;
using std::optional;

constexpr auto TYPE = c10::DeviceType::PrivateUse1;
const c10::DispatchKeySet KEYS(c10::DispatchKey::PrivateUse1);

// All is done when a call returns, so there is one stream, and no event to wait for.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return TYPE; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Device getDevice() const override { return c10::Device(TYPE, 0); }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, getDevice()); }
  c10::Stream getDefaultStream(c10::Device device) const override { return getStream(device); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Hooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t size) override {
    void* data = c10::alloc_cpu(size);
    return {data, data, &c10::free_cpu, c10::Device(TYPE, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
  void copy_data(void* target, const void* source, size_t size) const override { default_copy_data(target, source, size); }
};

Memory memory;
REGISTER_ALLOCATOR(TYPE, &memory)

const bool has_hooks = [] {
  at::RegisterPrivateUse1HooksInterface(new Hooks());
  return true;
}();

at::ScalarType checked(optional<at::ScalarType> dtype) {
  const auto type = c10::dtype_or_default(dtype);
  TORCH_CHECK_TYPE(type != at::kDouble || !std::getenv("ACCELERATOR_WITHOUT_FLOAT64"), "the accelerator has no float64");
  return type;
}

Tensor empty(
    IntArrayRef size, optional<at::ScalarType> dtype, optional<at::Layout>, optional<at::Device>, optional<bool>,
    optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, KEYS, checked(dtype), format);
}

Tensor empty_strided(
    IntArrayRef size, IntArrayRef stride, optional<at::ScalarType> dtype, optional<at::Layout>, optional<at::Device>,
    optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, KEYS, checked(dtype));
}

// The same numbers at the same place in memory, as a tensor of the CPU.
Tensor on_cpu(const Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), at::TensorOptions().dtype(tensor.dtype()));
}

Tensor copy_from(const Tensor& source, const Tensor& target, bool) {
  on_cpu(target).copy_(on_cpu(source));
  return target;
}

Tensor copy_from_and_resize(const Tensor& source, const Tensor& target) {
  target.resize_(source.sizes());
  return copy_from(source, target, false);
}

// As in tensor[indices], whose indices every device takes from the CPU, too.
bool takes_indices(const std::string& name) { return name == "aten::index" || name.find("index_put") != std::string::npos; }

void check_devices(const c10::OperatorHandle& operation, const torch::jit::Stack& stack) {
  const auto name = operation.schema().name();
  const auto check = [&](const Tensor& tensor) {
    const bool is_elsewhere = tensor.defined() && tensor.device().type() != TYPE && tensor.dim() > 0;
    TORCH_CHECK(!is_elsewhere || takes_indices(name), name, " got a tensor of shape ", tensor.sizes(), " on ", tensor.device());
  };
  for (const auto& value : torch::jit::last(stack, operation.schema().arguments().size())) {
    if (value.isTensor()) check(value.toTensor());
    if (value.isList())
      for (const c10::IValue& item : value.toListRef())
        if (item.isTensor()) check(item.toTensor());
  }
}

void compute(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  check_devices(operation, *stack);
  at::native::cpu_fallback(operation, stack, /*error_on_views=*/true);
}

Tensor here(const Tensor& tensor) { return tensor.defined() ? tensor.to(c10::Device(TYPE, 0)) : tensor; }

Tensor convolution(
    const Tensor& input, const Tensor& weight, const optional<Tensor>& bias, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, bool transposed, IntArrayRef output_padding, int64_t groups) {
  const bool has_bias = bias && bias->defined();
  TORCH_CHECK(input.device() == weight.device() && (!has_bias || bias->device() == input.device()), "convolution across devices");
  const auto own_bias = has_bias ? optional<Tensor>(on_cpu(*bias)) : std::nullopt;
  return here(at::convolution(
      on_cpu(input), on_cpu(weight), own_bias, stride, padding, dilation, transposed, output_padding, groups));
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& gradient, const Tensor& input, const Tensor& weight, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, bool transposed, IntArrayRef output_padding, int64_t groups, std::array<bool, 3> mask) {
  const int64_t n_units = transposed ? weight.size(1) * groups : weight.size(0);
  const auto [of_input, of_weight, of_bias] = at::convolution_backward(
      on_cpu(gradient), on_cpu(input), on_cpu(weight), IntArrayRef({n_units}), stride, padding, dilation, transposed,
      output_padding, groups, mask);
  return {here(of_input), here(of_weight), here(of_bias)};
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("_local_scalar_dense", [](const Tensor& tensor) { return at::_local_scalar_dense(on_cpu(tensor)); });
  library.impl("convolution_overrideable", &convolution);
  library.impl("convolution_backward_overrideable", &convolution_backward);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("alias", &at::native::alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("resize_", &at::native::resize_);
  library.impl("set_.source_Storage", TORCH_FN(static_cast<Tensor& (*)(Tensor&, at::Storage)>(&at::native::set_)));
  library.impl("set_.source_Storage_storage_offset", &at::native::set_storage_cpu_);
}

}  // namespace
